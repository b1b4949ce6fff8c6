package serving

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// BoardEnv names the descriptor of the board on which all servers of a vassal record their
// statistics, so that each can report all.
const BoardEnv = "VASSAL_SERVER_BOARD"

// boardSize is the size of the board in bytes. Only used pages take memory.
const boardSize = 128 << 10

// NewBoard makes an empty board.
func NewBoard() (*os.File, error) {
	f, err := memfd.Shared("server-board", boardSize)
	if err != nil {
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
	board, err := unix.Mmap(fd, 0, boardSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot use the room for statistics: %w", err)
	}
	return board, nil
}
