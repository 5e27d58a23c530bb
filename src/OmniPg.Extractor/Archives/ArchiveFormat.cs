namespace OmniPg.Extractor;

/// <summary>Shape of an archive.</summary>
public enum ArchiveFormat
{
    /// <summary>One file or pipe, made by <c>pg_dump -Fc</c>.</summary>
    Custom = 1,

    /// <summary>A directory with <c>toc.dat</c> and one file per table, made by <c>pg_dump -Fd</c>.</summary>
    Directory = 5,
}
