using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>End of a base backup made on a primary: from here on it is consistent.</summary>
/// <param name="StartLsn">Where the backup started.</param>
public sealed record WalBackupEnd(NpgsqlLogSequenceNumber StartLsn) : WalRecordDetail;
