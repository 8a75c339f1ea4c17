# cmake -DOUTPUT=prelude.cc -DFILES="a.scm;b.scm" -P embed_prelude.cmake
# Writes the files into a C++ source, in pieces below the length that compilers accept for a literal.
set(text "#include \"examples/scheme/prelude.h\"\n\nnamespace scheme {\n\n")
set(entries "")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ "${file}" content HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${content}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
         "\\1\n" bytes "${bytes}")
  get_filename_component(name "${file}" NAME)
  string(APPEND text "static constexpr char kFile${index}[] = {\n${bytes}0};\n\n")
  string(APPEND entries "    {\"lib/${name}\", {kFile${index}, sizeof kFile${index} - 1}},\n")
  math(EXPR index "${index} + 1")
endforeach()
string(APPEND text "static constexpr PreludeFile kFiles[] = {\n${entries}};\n\n"
  "std::span<const PreludeFile> PreludeFiles() { return kFiles; }\n\n}  // namespace scheme\n")
file(WRITE "${OUTPUT}" "${text}")
