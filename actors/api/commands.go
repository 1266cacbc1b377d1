package api

// This file owns what requests that change the metadata have in common: one command for all that a request asks for.

import "github.com/troupe-io/troupe/actors/controller"

// command sends msg, which asks the controller for n changes and answers with done. Where none is left to ask for, done is called at once.
func (c *Call) command(msg any, n int, done func(controller.Answer)) {
	if n == 0 {
		done(controller.Answer{})
		return
	}
	c.Broker.System.Send(c.Broker.Controller, msg)
}

// refusedBy is why the n-th change of a command was not made, nil if it was.
func refusedBy(a controller.Answer, n int) *refusal {
	if a.Code != 0 {
		return &refusal{a.Code, a.Message}
	}
	if r := a.Results[n]; r.Code != 0 {
		return &refusal{r.Code, r.Message}
	}
	return nil
}
