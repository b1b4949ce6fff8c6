package outset

// Stack gives the calling goroutine a stack of 32 kB at once. Without it the stack of a
// program that boots a vassal doubles four times: each time the runtime unwinds the calls
// until then, by tables that it has to page in, and the stacks from before stay in memory.
//
//go:noinline
func Stack() { _ = roomy(false) }

// roomy has a frame that takes a stack of 32 kB. The runtime looks for it before the
// function begins, and nothing touches it.
//
//go:noinline
func roomy(touch bool) byte {
	if !touch {
		return 0
	}
	var room [26000]byte
	fill(room[:])
	return room[len(room)-1]
}

//go:noinline
func fill(room []byte) {
	for i := range room {
		room[i] = byte(i)
	}
}
