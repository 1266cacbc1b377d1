// Package interop tries the broker with clients other than the one that the main module uses. It is a module of its own,
// so that these clients (one brings a C library) stay out of the broker's dependencies.
package interop
