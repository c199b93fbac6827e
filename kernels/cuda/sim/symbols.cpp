// Names of functions, from the symbol table of the program or library that holds them: unlike the
// dynamic linker's table, it also knows kernels in unnamed namespaces.
#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/sim/multiprocessor.h"

namespace gan::sim {

namespace {

// The linker-level name of the function at `offset` in an ELF file, empty when the file does not
// say.
std::string symbol_at(const std::string& path, ElfW(Addr) offset) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  std::vector<char> image(static_cast<size_t>(file.tellg()));
  file.seekg(0).read(image.data(), static_cast<std::streamsize>(image.size()));
  const auto read = [&](size_t at, auto& value) {
    if (at + sizeof(value) > image.size()) return false;
    std::memcpy(&value, image.data() + at, sizeof(value));
    return true;
  };
  ElfW(Ehdr) header;
  if (!read(0, header)) return {};
  for (int i = 0; i < header.e_shnum; ++i) {
    ElfW(Shdr) symbols, strings;
    if (!read(header.e_shoff + i * sizeof(symbols), symbols) || symbols.sh_type != SHT_SYMTAB)
      continue;
    if (!read(header.e_shoff + symbols.sh_link * sizeof(strings), strings)) return {};
    for (size_t at = 0; at < symbols.sh_size; at += sizeof(ElfW(Sym))) {
      ElfW(Sym) symbol;
      if (!read(symbols.sh_offset + at, symbol)) return {};
      if (symbol.st_value != offset || (symbol.st_info & 0xf) != STT_FUNC) continue;
      const size_t name = strings.sh_offset + symbol.st_name;
      if (name >= image.size()) return {};
      return std::string(image.data() + name, strnlen(image.data() + name, image.size() - name));
    }
  }
  return {};
}

}  // namespace

std::string function_name(const void* address) {
  Dl_info info;
  link_map* object = nullptr;
  if (dladdr1(address, &info, reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP) != 0 && object) {
    const std::string path = object->l_name[0] ? object->l_name : "/proc/self/exe";
    const std::string symbol =
        symbol_at(path, reinterpret_cast<ElfW(Addr)>(address) - object->l_addr);
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
    if (status == 0) return name.get();
    if (!symbol.empty()) return symbol;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "function %p", address);
  return text;
}

}  // namespace gan::sim
