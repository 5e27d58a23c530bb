using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Where the tar files of a base backup come from: one implementation per <see cref="BackupMethod"/>.</summary>
internal interface IBackupSource
{
    /// <summary>Known when it was looked at.</summary>
    ServerFacts Facts { get; }

    /// <summary>Where the backup starts; known when the data has been read.</summary>
    NpgsqlLogSequenceNumber Start { get; }

    /// <summary>Known when the data has been read.</summary>
    BackupEnd? End { get; }

    /// <summary>Size of the cluster's WAL segments in bytes.</summary>
    int SegmentSize { get; }

    /// <summary>How many files were read.</summary>
    int Files { get; }

    /// <summary>Files that were gone when their turn came.</summary>
    long Vanished { get; }

    /// <summary>Files that became shorter while they were read.</summary>
    long Shortened { get; }

    /// <summary>How many pages do not have the checksum that they should.</summary>
    long DamagedPages { get; }

    /// <summary>The manifest as it stands in the backup; known when the data has been read.</summary>
    byte[] ManifestContent { get; }

    /// <summary>Asks the server who it is, and looks whether it can be read in this way.</summary>
    Task LookAsync(CancellationToken cancellationToken);

    /// <summary>Tells the server that a backup begins.</summary>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>The tablespaces besides the cluster's own two; known from the start on.</summary>
    IReadOnlyList<BackupTablespace> Tablespaces();

    /// <summary>The tar files, each to be read to its end before the next is asked for: tablespaces by their oids, then 0 for the data directory, whose end is the end of the backup.</summary>
    /// <param name="tablespaces">As <see cref="Tablespaces"/> told them.</param>
    /// <param name="includesWal">Whether the WAL that the backup needs is to be in the last of them.</param>
    /// <param name="cancellationToken">Cancels.</param>
    IAsyncEnumerable<(uint Tablespace, ICopySource Tar)> ReadAsync(IReadOnlyList<BackupTablespace> tablespaces, bool includesWal, CancellationToken cancellationToken);

    /// <summary>The WAL without which what was read is nothing.</summary>
    BackupWal Wal();
}
