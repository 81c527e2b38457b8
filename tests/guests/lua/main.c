/*
 * Lua as a command: runs a script, part of the program or from a file. Errors
 * in Lua are longjmps, of which `pcall` and coroutines live.
 *
 * Usage: lua [SCRIPT [WORD...]]; without SCRIPT it runs `mixed.lua`, which is
 * part of the program. WORDs are in the table `arg`.
 */

#include <stdio.h>
#include <stdlib.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "mixed_lua.h"

/* The libraries whose results do not depend on the machine. */
static void open_libraries(lua_State *state) {
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},        {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},    {LUA_UTF8LIBNAME, luaopen_utf8},
        {NULL, NULL},
    };
    for (const luaL_Reg *library = libraries; library->func; library++) {
        luaL_requiref(state, library->name, library->func, 1);
        lua_pop(state, 1);
    }
}

/* Adds where it happened to an error, whatever was thrown. */
static int with_traceback(lua_State *state) {
    const char *message = lua_tostring(state, 1);
    if (!message)
        message = luaL_tolstring(state, 1, NULL);
    luaL_traceback(state, state, message, 1);
    return 1;
}

static int load(lua_State *state, const char *path) {
    if (path)
        return luaL_loadfile(state, path);
    return luaL_loadbuffer(state, (const char *)embedded, embedded_size_bytes, "=mixed.lua");
}

static void set_arguments(lua_State *state, int count, char **words) {
    lua_createtable(state, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(state, words[i]);
        lua_rawseti(state, -2, i + 1);
    }
    lua_setglobal(state, "arg");
}

int main(int argc, char **argv) {
    lua_State *state = luaL_newstate();
    if (!state) {
        fprintf(stderr, "lua: no memory\n");
        return 1;
    }
    open_libraries(state);
    set_arguments(state, argc > 2 ? argc - 2 : 0, argv + 2);
    lua_pushcfunction(state, with_traceback);
    int failed = load(state, argc > 1 ? argv[1] : NULL) || lua_pcall(state, 0, 0, 1);
    if (failed)
        fprintf(stderr, "lua: %s\n", lua_tostring(state, -1));
    lua_close(state);
    return failed ? 1 : 0;
}
