package programs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// machineOf returns Go's name of a machine of ELF files (elf(5), e_machine).
func machineOf(number uint16) string {
	switch number {
	case 3:
		return "386"
	case 8:
		return "mips"
	case 20:
		return "ppc"
	case 21:
		return "ppc64"
	case 22:
		return "s390x"
	case 40:
		return "arm"
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	case 243:
		return "riscv64"
	case 258:
		return "loong64"
	}
	return fmt.Sprintf("machine %d", number)
}

// lookELF checks the machine and the loader of a program. debug/elf would make each vassal
// larger. An emulator may run programs of another machine: then only the loader is certain.
func lookELF(name string, f io.ReaderAt) *Error {
	var head [64]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return &Error{Name: name, Cause: "is an incomplete program", Hint: "was it copied completely?"}
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	machine := machineOf(order.Uint16(head[18:]))
	if machine != runtime.GOARCH && !runsToo(machine) {
		return &Error{Name: name, Cause: fmt.Sprintf("is a program for %s, and this machine is %s", machine, runtime.GOARCH), Hint: "build it for " + runtime.GOARCH}
	}
	if head[4] != 2 { // of 32 bits
		return nil
	}
	if loader := interpreter(f, order, head[:]); loader != "" {
		if _, err := os.Stat(loader); errors.Is(err, os.ErrNotExist) {
			return &Error{Name: name, Cause: fmt.Sprintf("needs a loader that does not exist: %q", loader), Hint: "it was built for another C library"}
		}
	}
	return nil
}

// runsToo reports whether this machine also runs programs of another kind.
func runsToo(machine string) bool {
	return runtime.GOARCH == "amd64" && machine == "386" || runtime.GOARCH == "arm64" && machine == "arm" || runtime.GOARCH == "ppc64le" && machine == "ppc64"
}

// interpreter returns the loader that a 64-bit program names (PT_INTERP).
func interpreter(f io.ReaderAt, order binary.ByteOrder, head []byte) string {
	const kind = 3 // PT_INTERP
	at, size, count := int64(order.Uint64(head[32:])), int64(order.Uint16(head[54:])), int64(order.Uint16(head[56:]))
	for i := range count {
		var p [56]byte
		if _, err := f.ReadAt(p[:], at+i*size); err != nil || order.Uint32(p[:]) != kind {
			continue
		}
		name := make([]byte, min(order.Uint64(p[32:]), 4096))
		if _, err := f.ReadAt(name, int64(order.Uint64(p[8:]))); err == nil {
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}
