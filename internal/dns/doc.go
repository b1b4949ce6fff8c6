// Package dns decides how a vassal resolves names: which nameservers of the host it can reach,
// which files its programs read, and which process answers for the names of vassals. The
// answers themselves are in package responder, which the emperor does not link: they are made
// from bytes that vassals send.
package dns
