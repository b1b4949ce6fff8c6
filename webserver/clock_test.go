package webserver

import (
	"net"
	"strings"
	"testing"
	"time"
)

// The time of a connection without a request counts from a moment of the clock that never jumps.
func TestIdleTimesDoNotJump(t *testing.T) {
	t.Parallel()
	if !strings.Contains(epoch.String(), " m=") {
		t.Fatal("the epoch has no reading of the monotonic clock")
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	var all connections
	c := all.add(near, time.Second)
	if at := time.Duration(c.idle.Load()); at <= 0 || at > time.Since(epoch) {
		t.Errorf("idle since %v after the epoch, which is %v ago", at, time.Since(epoch))
	}
}
