using System.Text.Json.Serialization;

namespace OmniPg.Wal;

/// <summary>How an archive arranges its files.</summary>
public enum WalLayout
{
    /// <summary>Everything in one directory, every file compressed: what OmniPITR writes and reads.</summary>
    [JsonStringEnumMemberName("flat")]
    Flat,

    /// <summary>
    /// Segments in directories named by their first 16 digits (as Barman does); timeline history and backup files plain in the root.
    /// At most 256 segments of 16 MiB share a directory.
    /// </summary>
    [JsonStringEnumMemberName("sharded")]
    Sharded,
}
