package broker

// This file is the shell for randomness: ids and session numbers come from the operating system's source, and reach actors as
// values or as these functions.

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"io"

	"github.com/google/uuid"
)

// randomBytes is the broker's source of randomness.
func randomBytes() io.Reader { return rand.Reader }

// randomNumber is the same where a number will do.
func randomNumber() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return binary.NativeEndian.Uint64(b[:])
}

// newID is a random id in Kafka's form: 16 bytes, URL-safe base64 without padding.
func newID() string {
	id := uuid.New()
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// newUUID is a random member id's tail, in the usual text form.
func newUUID() string { return uuid.NewString() }
