#include <cstring>

#include "examples/scheme/builtins.h"
#include "examples/scheme/codegen.h"

namespace scheme {
namespace {

// The form of an instruction that also pushes; kUnderflow when there is none.
Op PushForm(Op op) {
  switch (op) {
    case Op::kConst:
      return Op::kPushConst;
    case Op::kFix:
      return Op::kPushFix;
    case Op::kLocal:
      return Op::kPushLocal;
    case Op::kFree:
      return Op::kPushFree;
    case Op::kGlobal:
      return Op::kPushGlobal;
    case Op::kAddLI:
      return Op::kAddLIPush;
    case Op::kSubLI:
      return Op::kSubLIPush;
    case Op::kCarL:
      return Op::kCarLPush;
    case Op::kCdrL:
      return Op::kCdrLPush;
    default:
      return Op::kUnderflow;
  }
}

uint8_t* CopyBytes(const void* from, size_t bytes) {
  if (bytes == 0) return nullptr;
  auto* to = static_cast<uint8_t*>(tarn::AllocateBytes(bytes, tarn::Scan::kNone));
  std::memcpy(to, from, bytes);
  return to;
}

}  // namespace

void Assembler::SignedOperand(int64_t v) {
  if (v > INT16_MAX) Error("procedure too large to compile: too many captured variables");
  Operand(v);
}

void Assembler::Operand(int64_t v) {
  if (v < INT16_MIN || v > UINT16_MAX) Error("procedure too large to compile");
  units_.push_back(static_cast<uint16_t>(v));
}

void Assembler::EmitPush() {
  if (last_op_ != kNone) {
    const Op form = PushForm(static_cast<Op>(units_[last_op_]));
    if (form != Op::kUnderflow) {
      units_[last_op_] = static_cast<uint16_t>(form);
      last_op_ = kNone;
      return;
    }
  }
  Emit(Op::kPush);
}

Assembler::Label Assembler::NewLabel() {
  labels_.push_back(kNone);
  return labels_.size() - 1;
}

void Assembler::Bind(Label label) {
  labels_[label] = units_.size();
  last_op_ = kNone;  // a branch may arrive here: the instruction before must stay as it is
}

void Assembler::Target(Label label) {
  const size_t at = units_.size();
  units_.resize(at + 2);
  if (labels_[label] == kNone) {
    uses_.push_back({at, label});
  } else {
    Patch(at, labels_[label]);
  }
  last_op_ = kNone;
}

void Assembler::Patch(size_t at, size_t target) {
  // The offset counts from the end of the instruction.
  const auto offset =
      static_cast<int32_t>(static_cast<int64_t>(target) - static_cast<int64_t>(at + 2));
  std::memcpy(&units_[at], &offset, sizeof offset);
}

void Assembler::EmitJump(Label label) {
  Emit(labels_[label] == kNone ? Op::kJump : Op::kLoop);
  Target(label);
}

int64_t Assembler::Constant(Value v) {
  if (const Slot* known = constant_index_->Find(v)) return known->Get().AsFixnum();
  const auto index = static_cast<int64_t>(constants_->size());
  if (index > UINT16_MAX) Error("procedure too large to compile: too many constants");
  constants_->Add(v);
  constant_index_->Put(v, Value::Fixnum(index));
  return index;
}

void Assembler::MarkLine(uint32_t line) {
  if (line == 0 || (!lines_.empty() && lines_.back().line == line)) return;
  lines_.push_back({static_cast<uint32_t>(units_.size()), line});
}

void Assembler::MarkAlias(int primitive) {
  aliases_.push_back({static_cast<uint32_t>(last_start_),
                      static_cast<uint16_t>(units_.size() - last_start_),
                      static_cast<uint16_t>(primitive)});
}

Code* Assembler::Finish(Lambda* lambda, const CodegenUnit& unit, int64_t frame_words) {
  for (const Use& u : uses_) Patch(u.at, labels_[u.label]);
  auto* code = make_gc_tail<Code, Slot>(constants_->size());
  InitHeader(code);
  code->header.flags = static_cast<uint8_t>((lambda->HasRest() ? Code::kRest : 0) |
                                            (unit.library ? Code::kLibrary : 0));
  code->header.word = static_cast<uint32_t>(constants_->size());
  for (size_t i = 0; i < constants_->size(); i++) code->constants()[i].Init((*constants_)[i]);
  code->instructions =
      reinterpret_cast<uint16_t*>(CopyBytes(units_.data(), units_.size() * sizeof(uint16_t)));
  code->instruction_count = static_cast<uint32_t>(units_.size());
  code->lines =
      reinterpret_cast<LineEntry*>(CopyBytes(lines_.data(), lines_.size() * sizeof(LineEntry)));
  code->line_count = static_cast<uint32_t>(lines_.size());
  code->aliases = reinterpret_cast<AliasEntry*>(
      CopyBytes(aliases_.data(), aliases_.size() * sizeof(AliasEntry)));
  code->alias_count = static_cast<uint32_t>(aliases_.size());
  code->name = lambda->name;
  code->file = unit.file;
  if (!unit.included->empty()) code->included = unit.included;
  code->params = static_cast<uint16_t>(lambda->params->size());
  code->required = static_cast<uint16_t>(code->params - (lambda->HasRest() ? 1 : 0));
  code->captured = static_cast<uint16_t>(lambda->free->size());
  if (frame_words > kMaxFrameWords) Error("procedure too large to compile: too many variables");
  code->frame_words = static_cast<uint16_t>(frame_words);
  return code;
}

}  // namespace scheme
