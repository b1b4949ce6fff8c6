package serving

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// SharedStatsEnv names the descriptor of memory that all servers of a vassal share. Each records
// its statistics there, so that each can report all.
const SharedStatsEnv = "VASSAL_SERVER_BOARD"

// sharedStatsSize is the size of the shared memory in bytes. Only used pages are allocated.
const sharedStatsSize = 128 << 10

// NewSharedStats makes empty shared memory.
func NewSharedStats() (*os.File, error) {
	f, err := memfd.Shared("server-board", sharedStatsSize)
	if err != nil {
		return nil, fmt.Errorf("cannot make room for statistics: %w", err)
	}
	return f, nil
}

// SharedStats maps the memory of SharedStatsEnv permanently, and removes the variable from the
// environment. Without the variable it returns nil.
func SharedStats() ([]byte, error) {
	text, ok := os.LookupEnv(SharedStatsEnv)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(SharedStatsEnv); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("cannot use %s=%q: not a descriptor", SharedStatsEnv, text)
	}
	defer unix.Close(fd)
	board, err := unix.Mmap(fd, 0, sharedStatsSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot use the room for statistics: %w", err)
	}
	return board, nil
}
