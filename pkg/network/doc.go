// Package network gives each vassal its link, its addresses and its place in the policy of the
// host: which clients may reach it, and which hosts it may reach.
//
// A Stage belongs to one emperor in one network namespace. Everything that it makes carries the
// emperor's ID: links by their group, routes by their protocol, the nftables table by its name.
// The next emperor with the same directory removes it when this one was killed.
package network
