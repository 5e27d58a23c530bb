using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>A named restore point (<c>pg_create_restore_point</c>) found in archived WAL: a target for <c>recovery_target_name</c>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Time">When it was made, in UTC.</param>
/// <param name="Lsn">Start of its record.</param>
/// <param name="Timeline">Timeline of the segment it is in.</param>
/// <param name="File">The segment in which its record ends.</param>
public sealed record RestorePoint(string Name, DateTimeOffset Time, NpgsqlLogSequenceNumber Lsn, uint Timeline, WalFileName File);
