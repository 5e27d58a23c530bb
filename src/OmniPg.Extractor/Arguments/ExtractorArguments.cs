namespace OmniPg.Extractor;

/// <summary>What a command line of PG Extractor asks for, in terms of this package.</summary>
public sealed record ExtractorArguments
{
    /// <summary>How pg_dump connects: host, port, user, database, as far as they were given. A connection string of Npgsql; null when none was.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>Root directory (<c>--basedir</c>). Default: the current one.</summary>
    public string Directory { get; init; } = ".";

    /// <summary>Programs, service, password file, encoding.</summary>
    public required ExtractorOptions Extractor { get; init; }

    /// <summary>Kinds, filters, layout and all else.</summary>
    public required ExtractionOptions Extraction { get; init; }

    /// <summary>Whether to commit with git (<c>--git</c>, <c>--gitpush</c>).</summary>
    public GitOptions? Git { get; init; }

    /// <summary>Whether to commit with Subversion (<c>--svn</c>).</summary>
    public SvnOptions? Svn { get; init; }

    /// <summary>Commit message. Default: that of the original.</summary>
    public string CommitMessage { get; init; } = "Pg ddl updates";

    /// <summary>Whether nothing shall be printed (<c>--quiet</c>): a matter of the program that reads the arguments. Default false.</summary>
    public bool Quiet { get; init; }

    /// <summary>Whether details shall be printed (<c>--debug</c>): a matter of the program that reads the arguments. Default false.</summary>
    public bool Debug { get; init; }

    /// <summary>
    /// Options that were given and change nothing here, for a program to mention: <c>--temp</c>, because no temporary dump is written, and
    /// <c>--wait</c>, because there is one dump for all objects; <see cref="ExtractionOptions.MaxBytesPerSecond"/> is the gentle way.
    /// </summary>
    public IReadOnlyList<string> WithoutEffect { get; init; } = [];

    /// <summary>Reads the arguments of PG Extractor 2.x, and those of 1.x that are still spelled the same.</summary>
    /// <param name="arguments">Arguments, one element each; <c>@file</c> stands for the lines of a file.</param>
    /// <returns>What they ask for.</returns>
    /// <exception cref="ExtractorOptionException">
    /// An option is not known, its value is missing or wrong, or nothing here does what it asks for (<c>-Fc</c>, <c>--version</c>, <c>--examples</c>).
    /// </exception>
    public static ExtractorArguments Parse(IEnumerable<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        return new ArgumentReader(arguments).Read();
    }
}
