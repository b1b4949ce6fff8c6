package main

import (
	"context"
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// ledgerDir is where an emperor writes down what its vassals have outside; empty
// without a runtime directory.
func (s *sight) ledgerDir() string {
	if s.claim == nil {
		return ""
	}
	return filepath.Join(s.claim.Dir, "ledger")
}

// ledger opens it, and removes first what a killed emperor has written down there.
// Nil: a killed emperor leaves what it leaves.
func (s *sight) ledger(ctx context.Context) *emperor.Ledger {
	if s.claim == nil {
		return nil
	}
	l, err := emperor.OpenLedger(s.ledgerDir())
	if err != nil {
		s.log.Warn("what vassals have outside cannot be written down", "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, collecting)
	defer cancel()
	found, err := l.Settle(ctx)
	if err != nil {
		s.log.Error("something is left of an emperor that was killed", "error", err)
	} else if found > 0 {
		s.log.Info("removed what an emperor that was killed has left", "vassals", found)
	}
	return l
}
