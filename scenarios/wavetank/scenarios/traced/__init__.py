"""Programs in any language as a subject of the crash exploration: traced, crashed and checked."""
