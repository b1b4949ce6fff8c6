package workers

// rollAll replaces the workers one after the other, also those that were started
// not long ago: a reload in progress is waited for, and who is being replaced is
// replaced again.
func (m *master) rollAll(why string) {
	switch {
	case m.stopped || m.asleep && m.next == nil:
		return
	case m.next != nil, m.undoing != nil:
		m.rollNext = why
		return
	}
	m.Log.Info("replacing one worker after the other: " + why)
	m.rolling = m.rolling[:min(1, len(m.rolling))]
	for i := range m.crew.slots {
		m.rolling = append(m.rolling, i)
	}
	m.roll()
}

// roll goes on with replacing workers one by one: each gets an heir, and leaves
// when that is ready, or leaves before its successor is started.
func (m *master) roll() {
	for len(m.rolling) > 0 {
		i := m.rolling[0]
		s := m.crew.slots[i]
		if m.plan().StopFirst && !m.plan().isFront(i) {
			if !m.renew(i, s) {
				return
			}
			continue
		}
		switch {
		case s.heir == nil:
			heir, err := m.hire(m.crew, i)
			if err != nil {
				m.cannotReplace(err)
				return
			}
			s.heir = heir
			return
		case !s.heir.proven():
			return
		}
		if s.worker != nil {
			m.dismiss(s.worker)
		}
		s.worker, s.heir = s.heir, nil
		m.rolled()
	}
}

// rolled goes on to the next worker that is to be replaced.
func (m *master) rolled() {
	if m.rolling = m.rolling[1:]; len(m.rolling) == 0 {
		m.tell("", nil)
	}
}

// renew ends the worker in a slot, fills that again, and reports whether this is over.
func (m *master) renew(i int, s *slot) (over bool) {
	if !s.rolled {
		s.rolled = true
		if s.worker != nil {
			m.dismiss(s.worker)
			s.worker = nil
			m.staff(m.crew, i)
		}
		return false
	}
	if s.worker == nil || !s.worker.proven() {
		return false
	}
	s.rolled = false
	m.rolled()
	return true
}

// stopRolling leaves the rest as they are.
func (m *master) stopRolling() {
	m.rolling = nil
	for _, s := range m.crew.slots {
		s.rolled = false
		if s.heir != nil {
			m.dismiss(s.heir)
			s.heir = nil
		}
	}
}

// cannotReplace gives up replacing workers one by one.
func (m *master) cannotReplace(err error) {
	m.rolling = nil
	m.Log.Error("cannot replace the worker: the old one stays", "error", err)
	m.tell("replacing a worker", err)
}

// rollOne replaces a single worker.
func (m *master) rollOne(i int, why string) {
	m.Log.Info("replacing a worker: "+why, "pid", m.crew.slots[i].worker.pid)
	m.rolling = append(m.rolling, i)
	if len(m.rolling) == 1 {
		m.roll()
	}
}
