// FileTree: a temporary directory with files that a test writes, gone when the object is.
#ifndef TARN_TESTS_SUPPORT_FILE_TREE_H_
#define TARN_TESTS_SUPPORT_FILE_TREE_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace tarn::rt {

class FileTree {
 public:
  FileTree() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tarn_tree_XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) root_ = pattern;
  }
  ~FileTree() {
    std::error_code ignored;
    if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
  }
  FileTree(const FileTree&) = delete;
  FileTree& operator=(const FileTree&) = delete;

  const std::string& root() const { return root_; }
  // `path` begins with a slash; folders are made.
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path, std::ios::trunc) << text;
  }

 private:
  std::string root_;
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_FILE_TREE_H_
