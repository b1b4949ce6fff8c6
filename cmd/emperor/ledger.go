package main

import (
	"context"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// ledger opens that in the runtime directory, and removes first what a killed emperor
// has written down there. This is done with the rights of the emperor's user, who has
// written it. Nil: a killed emperor leaves what it leaves.
func (s *sight) ledger(ctx context.Context) *emperor.Ledger {
	if s.claim == nil {
		return nil
	}
	l, err := emperor.OpenLedger(s.claim.LedgerDir())
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
