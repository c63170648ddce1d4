"""The world: clocks, files, sockets, threads, engines. Everything the core asks for by an effect is done here."""
