package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vassal": main, workers.StageName: main})
}

// TestStories runs commands of an operator. Each file of testdata is one story; none needs
// root.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireUniqueNames: true})
}
