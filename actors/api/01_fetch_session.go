package api

type FetchSessions struct{}
