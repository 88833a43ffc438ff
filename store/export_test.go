package store

// RecentEntries is how many entries are kept in memory.
const RecentEntries = recentEntries
