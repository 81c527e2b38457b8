/*
 * Runs one JavaScript file in QuickJS with `print`, `console.log` and
 * `scriptArgs`, then the jobs that its promises left. Without an argument it
 * runs `mixed.js`, which is part of the program (`embed.py` makes the header).
 *
 * Usage: quickjs [SCRIPT [WORD...]]
 * Exit code: 1 if the script throws, 2 if it cannot be read.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mixed_js.h"
#include "quickjs.h"

/* Writes the arguments with spaces between and a line's end. */
static JSValue print(JSContext *context, JSValueConst this, int argc, JSValueConst *argv) {
    (void)this;
    for (int i = 0; i < argc; i++) {
        size_t length;
        const char *text = JS_ToCStringLen(context, &length, argv[i]);
        if (!text)
            return JS_EXCEPTION;
        if (i > 0)
            putchar(' ');
        fwrite(text, 1, length, stdout);
        JS_FreeCString(context, text);
    }
    putchar('\n');
    return JS_UNDEFINED;
}

static void define_globals(JSContext *context, int argc, char **argv) {
    JSValue global = JS_GetGlobalObject(context);
    JSValue console = JS_NewObject(context);
    JSValue words = JS_NewArray(context);
    for (int i = 1; i < argc; i++)
        JS_SetPropertyUint32(context, words, (uint32_t)(i - 1), JS_NewString(context, argv[i]));
    JS_SetPropertyStr(context, console, "log", JS_NewCFunction(context, print, "log", 1));
    JS_SetPropertyStr(context, global, "console", console);
    JS_SetPropertyStr(context, global, "print", JS_NewCFunction(context, print, "print", 1));
    JS_SetPropertyStr(context, global, "scriptArgs", words);
    JS_FreeValue(context, global);
}

/* Says on standard error what was thrown, and where. */
static void report_exception(JSContext *context) {
    JSValue thrown = JS_GetException(context);
    JSValue stack = JS_GetPropertyStr(context, thrown, "stack");
    const char *text = JS_ToCString(context, thrown);
    const char *where = JS_IsUndefined(stack) ? NULL : JS_ToCString(context, stack);
    fflush(stdout);
    fprintf(stderr, "quickjs: %s\n%s", text ? text : "[exception]", where ? where : "");
    JS_FreeCString(context, text);
    JS_FreeCString(context, where);
    JS_FreeValue(context, stack);
    JS_FreeValue(context, thrown);
}

/* Returns 0 if all went well. */
static int run_script(JSRuntime *runtime, JSContext *context, const char *name, const char *source, size_t length) {
    JSValue result = JS_Eval(context, source, length, name, JS_EVAL_TYPE_GLOBAL);
    if (JS_IsException(result)) {
        report_exception(context);
        return 1;
    }
    JS_FreeValue(context, result);
    JSContext *of_job;
    int left;
    while ((left = JS_ExecutePendingJob(runtime, &of_job)) > 0)
        continue;
    if (left < 0)
        report_exception(of_job);
    return left < 0;
}

/* Reads a whole file; a zero byte follows it. NULL if it cannot be read. */
static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t capacity = 4096, used = 0;
    char *text = malloc(capacity);
    while (text) {
        used += fread(text + used, 1, capacity - 1 - used, file);
        if (used < capacity - 1)
            break;
        capacity *= 2;
        char *larger = realloc(text, capacity);
        if (!larger)
            free(text);
        text = larger;
    }
    if (text)
        text[used] = '\0';
    fclose(file);
    *length = used;
    return text;
}

int main(int argc, char **argv) {
    const char *name = "mixed.js", *source = (const char *)embedded;
    size_t length = embedded_size_bytes;
    char *text = NULL;
    if (argc > 1) {
        const char *slash = strrchr(argv[1], '/');
        name = slash ? slash + 1 : argv[1];
        source = text = read_file(argv[1], &length);
        if (!text) {
            fprintf(stderr, "quickjs: cannot read %s\n", argv[1]);
            return 2;
        }
    }
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *context = runtime ? JS_NewContext(runtime) : NULL;
    if (!context) {
        fprintf(stderr, "quickjs: out of memory\n");
        return 2;
    }
    define_globals(context, argc, argv);
    int failed = run_script(runtime, context, name, source, length);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
    free(text);
    return failed;
}
