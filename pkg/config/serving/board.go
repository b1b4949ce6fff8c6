package serving

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// BoardEnv names the descriptor of the board on which all servers of a vassal record their
// statistics, so that each can report all.
const BoardEnv = "VASSAL_SERVER_BOARD"

// BoardSize is the size of the board in bytes. Only used pages take memory.
const BoardSize = 128 << 10

// NewBoard makes an empty board.
func NewBoard() (*os.File, error) {
	fd, err := unix.MemfdCreate("server-board", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make room for statistics: %w", err)
	}
	f := os.NewFile(uintptr(fd), "server-board")
	if err := f.Truncate(BoardSize); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot make room for statistics: %w", err)
	}
	return f, nil
}

// Board maps the board of BoardEnv permanently, and removes the variable from the environment.
// Without the variable it returns nil.
func Board() ([]byte, error) {
	text, ok := os.LookupEnv(BoardEnv)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(BoardEnv); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("cannot use %s=%q: not a descriptor", BoardEnv, text)
	}
	defer unix.Close(fd)
	board, err := unix.Mmap(fd, 0, BoardSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot use the room for statistics: %w", err)
	}
	return board, nil
}
