// A guest of examples/memory.rs: works on a grey picture that the host puts
// into its memory.

static unsigned char pixels[64 * 64];

__attribute__((export_name("pixels"))) unsigned char *address(void) {
    return pixels;
}

__attribute__((export_name("capacity"))) int capacity(void) {
    return sizeof pixels;
}

// Makes light dark and dark light.
__attribute__((export_name("invert"))) void invert(int count) {
    for (int n = 0; n < count; n++)
        pixels[n] = 255 - pixels[n];
}
