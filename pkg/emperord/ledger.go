package emperord

import (
	"context"

	"github.com/emperor-go/emperor/pkg/emperor/process"
)

// ledger opens the ledger in the runtime directory, and first removes the resources that a
// killed emperor has recorded there. It runs with the rights of the emperor's user, who has
// written it. Nil: nothing is removed after a kill.
func (s *sockets) ledger(ctx context.Context) *process.Ledger {
	if s.claim == nil {
		return nil
	}
	l, err := process.OpenLedger(s.claim.LedgerDir())
	if err != nil {
		s.log.Warn("cannot record resources of vassals", "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, collecting)
	defer cancel()
	found, err := l.CleanUp(ctx)
	if err != nil {
		s.log.Error("cannot clean up after a killed emperor", "error", err)
	} else if found > 0 {
		s.log.Info("cleaned up after a killed emperor", "vassals", found)
	}
	return l
}
