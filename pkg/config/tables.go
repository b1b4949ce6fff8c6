package config

import (
	"slices"
	"sync"
)

// The tables of the two programs are built on first use: a program that is asked
// for its version builds none.
var (
	emperorTable = sync.OnceValue(func() table[Emperor] {
		return slices.Concat(
			monitorOptions(),
			vassalsOptions(),
			emperorHookOptions(),
			processOptions(),
		)
	})
	vassalTable = sync.OnceValue(func() table[Vassal] {
		return slices.Concat(
			bootOptions(),
			privilegeOptions(),
			vassalHookOptions(),
			socketOptions(),
			servingOptions(),
			serverOptions(),
		)
	})
)

// emperorOptions is the emperor's table. It belongs to everybody: read only.
func emperorOptions() table[Emperor] { return emperorTable() }

// vassalOptions is the vassal's table. It belongs to everybody: read only.
func vassalOptions() table[Vassal] { return vassalTable() }
