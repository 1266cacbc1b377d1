package segment

// evictForTest evicts one chunk if it can.
func (p *ChunkPool) evictForTest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.evictOne()
}
