using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Says that an unfinished record was given up after a crash.</summary>
/// <param name="Lsn">Where the unfinished record starts.</param>
public sealed record WalOverwrittenRecord(NpgsqlLogSequenceNumber Lsn) : WalRecordDetail;
