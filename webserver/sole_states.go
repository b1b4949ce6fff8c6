package webserver

// soleState is the state of the reload of a server alone.
type soleState string

const (
	// soleBooting: the first server is made.
	soleBooting soleState = "booting"
	// soleServing: no reload is in progress.
	soleServing soleState = "serving"
	// soleMaking: a server with other options is made, beside the one that serves.
	soleMaking soleState = "making"
	// soleHandingOver: the new server is in effect, and the one before accepts its last connections.
	soleHandingOver soleState = "handing-over"
	// soleClosed: the vassal stops.
	soleClosed soleState = "closed"
)

// soleInput is an event of a reload.
type soleInput string

const (
	soleAsked    soleInput = "asked"    // by a signal, or by the emperor without options
	soleOrdered  soleInput = "ordered"  // by the emperor with other options, which need not wait for a server that is being made
	soleUnusable soleInput = "unusable" // ordered, and the options have an error
	soleServes   soleInput = "serves"   // the first server is in effect
	soleReplaced soleInput = "replaced" // the new server is in effect
	soleFailed   soleInput = "failed"   // the server cannot be made, or its sockets cannot be bound
	soleLate     soleInput = "late"     // the server was not ready in time
	soleSettled  soleInput = "settled"  // the server before accepts no more
	soleStop     soleInput = "stop"     // the vassal stops
)

// soleEffect is the action of a transition.
type soleEffect string

const (
	soleNothing soleEffect = ""
	// doMake makes a server for a request.
	doMake soleEffect = "make"
	// doMakeInstead answers the current request with an error and makes a server for the new one.
	doMakeInstead soleEffect = "make-instead"
	// doQueue keeps a request until the current one is over.
	doQueue soleEffect = "queue"
	// doDecline answers a request with the error of its options. doRefuse answers that the vassal stops.
	doDecline soleEffect = "decline"
	doRefuse  soleEffect = "refuse"
	// doAccept reports that the vassal serves, and begins the next request.
	doAccept soleEffect = "accept"
	// doAwait ends the time limit of the request, and waits for the server before.
	doAwait soleEffect = "await"
	// doFinish reports the success of the reload and begins the next request.
	doFinish soleEffect = "finish"
	// doKeep reports the failure of the reload and begins the next request. The server before continues.
	doKeep soleEffect = "keep"
	// doFail ends the process with the error.
	doFail soleEffect = "fail"
	// doForget answers the request that waits: the vassal stops.
	doForget soleEffect = "forget"
	// doAbort answers the current request and the one that waits: the vassal stops.
	doAbort soleEffect = "abort"
	// doFinishLast reports the success of the reload, and answers the request that waits: the vassal stops.
	doFinishLast soleEffect = "finish-last"
)

// soleRow is one transition.
type soleRow struct {
	state  soleState
	input  soleInput
	next   soleState
	effect soleEffect
}

// soleTable is the whole course of a reload.
var soleTable = [...]soleRow{
	{soleBooting, soleAsked, soleBooting, doQueue},
	{soleBooting, soleOrdered, soleBooting, doQueue},
	{soleBooting, soleUnusable, soleBooting, doDecline},
	{soleBooting, soleServes, soleServing, doAccept},
	{soleBooting, soleFailed, soleClosed, doFail},
	{soleBooting, soleLate, soleClosed, doFail},
	{soleBooting, soleStop, soleClosed, doForget},

	{soleServing, soleAsked, soleMaking, doMake},
	{soleServing, soleOrdered, soleMaking, doMake},
	{soleServing, soleUnusable, soleServing, doDecline},
	{soleServing, soleStop, soleClosed, soleNothing},

	{soleMaking, soleAsked, soleMaking, doQueue},
	{soleMaking, soleOrdered, soleMaking, doMakeInstead},
	{soleMaking, soleUnusable, soleMaking, doDecline},
	{soleMaking, soleReplaced, soleHandingOver, doAwait},
	{soleMaking, soleFailed, soleServing, doKeep},
	{soleMaking, soleLate, soleServing, doKeep},
	{soleMaking, soleStop, soleClosed, doAbort},

	{soleHandingOver, soleAsked, soleHandingOver, doQueue},
	{soleHandingOver, soleOrdered, soleHandingOver, doQueue},
	{soleHandingOver, soleUnusable, soleHandingOver, doDecline},
	{soleHandingOver, soleSettled, soleServing, doFinish},
	{soleHandingOver, soleStop, soleClosed, doFinishLast},

	{soleClosed, soleAsked, soleClosed, doRefuse},
	{soleClosed, soleOrdered, soleClosed, doRefuse},
	{soleClosed, soleUnusable, soleClosed, doRefuse},
}

// stepSole looks a transition up. A pair that is not listed changes nothing.
func stepSole(s soleState, in soleInput) (next soleState, do soleEffect) {
	for i := range soleTable {
		if r := &soleTable[i]; r.state == s && r.input == in {
			return r.next, r.effect
		}
	}
	return s, soleNothing
}
