namespace OmniPg.Wal;

/// <summary>A page of the server whose content is not what its checksum says.</summary>
/// <param name="Path">Its file, below the data directory.</param>
/// <param name="Block">Its number within the relation's fork, over all files of that.</param>
/// <param name="Stored">The checksum that stands in it.</param>
/// <param name="Computed">The checksum of its content.</param>
public sealed record DamagedPage(string Path, uint Block, ushort Stored, ushort Computed);

/// <summary>A file of the server with such pages.</summary>
/// <param name="Path">The file, below the data directory.</param>
/// <param name="Pages">How many of its pages are damaged.</param>
public sealed record DamagedFile(string Path, long Pages);
