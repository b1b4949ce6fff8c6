package seccomp

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/suggest"
)

// table has a line for each system call of Linux on any processor: its name, and its numbers on amd64 and on arm64, or - for none. It is made
// from the constants of golang.org/x/sys/unix.
//
//go:embed syscalls.txt
var table string

// others are system calls of arm that have no constants.
var others = []string{"breakpoint", "set_tls", "usr26", "usr32"}

// allNames yields the names of all system calls.
func allNames(yield func(string) bool) {
	for line := range strings.Lines(table) {
		name, _, _ := strings.Cut(line, " ")
		if !yield(name) {
			return
		}
	}
	for _, name := range others {
		if !yield(name) {
			return
		}
	}
}

// missing is the number of a system call that this processor does not have.
const missing = ^uint32(0)

// numbers are the numbers of all system calls on this processor.
var numbers = sync.OnceValue(func() map[string]uint32 {
	all := map[string]uint32{}
	for name := range allNames {
		all[name] = missing
	}
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if n, err := strconv.ParseUint(words[column], 10, 32); err == nil {
			all[words[0]] = uint32(n)
		}
	}
	return all
})

// actions are the words of OCI.
var actions = map[string]uint32{
	"SCMP_ACT_KILL": unix.SECCOMP_RET_KILL_THREAD, "SCMP_ACT_KILL_THREAD": unix.SECCOMP_RET_KILL_THREAD, "SCMP_ACT_KILL_PROCESS": unix.SECCOMP_RET_KILL_PROCESS,
	"SCMP_ACT_TRAP": unix.SECCOMP_RET_TRAP, "SCMP_ACT_ERRNO": unix.SECCOMP_RET_ERRNO, "SCMP_ACT_ALLOW": unix.SECCOMP_RET_ALLOW, "SCMP_ACT_LOG": unix.SECCOMP_RET_LOG,
}

func (p *profile) action(n *node, key string) uint32 {
	word := n.string()
	a, ok := actions[word]
	switch {
	case ok:
	case word == "SCMP_ACT_TRACE" || word == "SCMP_ACT_NOTIFY":
		p.wrong(n.line, key, word+": no program decides about system calls here", "SCMP_ACT_ERRNO")
	default:
		p.wrong(n.line, key, "unknown action "+strconv.Quote(word), hint(word, actions))
	}
	return a
}

// hint names the words that are near, or all.
func hint[T any](word string, words map[string]T) string {
	all := func(yield func(string) bool) {
		for name := range words {
			if !yield(name) {
				return
			}
		}
	}
	if near := suggest.Near(word, all); near != nil {
		return suggest.Question("", near...)
	}
	return "a word of OCI, in capitals"
}

// maxErrno is the largest error number of the kernel.
const maxErrno = 4095

func (p *profile) errnoOf(n *node, key string) uint32 {
	v, ok := n.unsigned()
	if !ok || v > maxErrno {
		p.wrong(n.line, key, "it is no number of an error", "such as 1, which is EPERM")
		return 0
	}
	return uint32(v)
}

// architectures are the words of OCI, without SCMP_ARCH_ in front.
const architectures = "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 " +
	"M68K SH SHEB"

// architecture checks a word. Programs of other processors are killed, whatever a profile lists.
func (p *profile) architecture(line int, word string) {
	name, is := strings.CutPrefix(word, "SCMP_ARCH_")
	if !is || !slices.Contains(strings.Fields(architectures), name) {
		p.wrong(line, "architectures", "unknown architecture "+strconv.Quote(word), "such as SCMP_ARCH_X86_64")
	}
}

// flag checks a flag: this program decides about threads and logs itself.
func (p *profile) flag(line int, word string) {
	switch word {
	case "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW":
	default:
		p.wrong(line, "flags", "unknown flag "+strconv.Quote(word), "SECCOMP_FILTER_FLAG_LOG, or none")
	}
}
