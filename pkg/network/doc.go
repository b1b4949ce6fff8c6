// Package network gives each vassal its link, its addresses and its place in the policy of the
// host: which clients may reach it, and which hosts it may reach.
package network
