# cmake -DSOURCE=… -DHEADER=… -DSYMBOL=… -DOUTPUT=… -P: see wadi_embedded_text() in wadi.cmake.
file(READ "${SOURCE}" digits HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${digits}")
string(REGEX REPLACE "(0x0a,)" "\\1\n    " bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\n\nconst char ${SYMBOL}[] = {\n    ${bytes}0};\n")
