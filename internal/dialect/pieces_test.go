package dialect

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
)

// FuzzMarks: a marked text comes back, with the text around it.
func FuzzMarks(f *testing.F) {
	for _, name := range dialecttest.Hostile {
		f.Add("a", name, "b")
	}
	f.Fuzz(func(t *testing.T, before, name, after string) {
		if strings.Contains(before+after, "\uFDD0") || strings.Contains(before+after, "\uFDD1") || !utf8.ValidString(before+name+after) {
			t.Skip("marks in the text itself, or bytes that make one together")
		}
		clean, found := unmark(before + marked('n', name) + after)
		name = strings.ReplaceAll(strings.ReplaceAll(name, pieceBegin, ""), pieceEnd, "")
		if clean != before+name+after || !plain(name) && len(found) != 1 {
			t.Errorf("%q %q %q: got %q, %v", before, name, after, clean, found)
		}
	})
}
