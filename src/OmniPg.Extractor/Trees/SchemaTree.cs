using Npgsql;
using OmniPg.Extractor.Trees;

namespace OmniPg.Extractor;

/// <summary>A directory that an extraction wrote: one file per object and a manifest. Thread-safe.</summary>
/// <remarks>When the last writer was killed in the middle of its work, the first reading finishes or undoes that work.</remarks>
public sealed class SchemaTree
{
    /// <summary>Names a tree; nothing is read yet.</summary>
    /// <param name="directory">The directory with <c>omnipg.manifest.json</c>.</param>
    public SchemaTree(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        Paths = new TreePaths(directory);
    }

    /// <summary>Full path of the tree.</summary>
    public string Directory => Paths.Root;

    internal TreePaths Paths { get; }

    /// <summary>How the extractor that opened the tree reads a database with the options of a snapshot; null for an extractor with the defaults.</summary>
    internal Func<NpgsqlDataSource, SchemaSnapshot, CancellationToken, Task<SchemaSnapshot>>? ReadDatabase { get; init; }

    /// <summary>Reads manifest and files. Rows of data are not read.</summary>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>All entries in replay order. Edited texts are marked, files without manifest entry are included with a warning.</returns>
    /// <exception cref="TreeConflictException">There is no manifest, a file of it is missing, or a writer is at work.</exception>
    public Task<SchemaSnapshot> ReadAsync(CancellationToken cancellationToken = default) => new TreeReader(Paths).ReadAsync(cancellationToken);
}
