package config

import (
	"slices"
	"sync"
)

// emperorAreas and vassalAreas name the areas of each program's options.

func emperorAreas() []table[Emperor] {
	return []table[Emperor]{
		monitorOptions(),
		vassalsOptions(),
		templateOptions(),
		lifeOptions(),
		wrapOptions(),
		onDemandOptions(),
		emperorHookOptions(),
		processOptions(),
		controlOptions(),
		fileOptions[Emperor](),
	}
}

func vassalAreas() []table[Vassal] {
	return []table[Vassal]{
		bootOptions(),
		startOptions(),
		vassalLogOptions(),
		privilegeOptions(),
		vassalHookOptions(),
		socketOptions(),
		servingOptions(),
		workerOptions(),
		terminalOptions(),
		serverOptions(),
		fileOptions[Vassal](),
	}
}

// The tables of the two programs are built on first use: a program that is asked
// for its version builds none.
var (
	emperorTable = sync.OnceValue(func() table[Emperor] { return slices.Concat(emperorAreas()...) })
	vassalTable  = sync.OnceValue(func() table[Vassal] { return slices.Concat(vassalAreas()...) })
)

// emperorOptions is the emperor's table. It belongs to everybody: read only.
func emperorOptions() table[Emperor] { return emperorTable() }

// vassalOptions is the vassal's table. It belongs to everybody: read only.
func vassalOptions() table[Vassal] { return vassalTable() }
