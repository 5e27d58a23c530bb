namespace OmniPg.Extractor;

/// <summary>What a command line of PG Extractor asks for, in terms of this package.</summary>
public sealed partial record ExtractorArguments
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
        return new Reader(arguments).Read();
    }

    /// <summary>Reads arguments by the table of the original's options.</summary>
    private sealed class Reader(IEnumerable<string> arguments)
    {
        private readonly Queue<string> _rest = new(ArgumentFile.Expand(arguments));
        private readonly State _state = new();

        public ExtractorArguments Read()
        {
            // The original puts the tree below a folder named after the database.
            _state.Extraction.Layout.DatabaseDirectory = null;
            while (_rest.TryDequeue(out var argument))
                ReadOne(argument);
            if (_state.Git is not null && _state.Svn is not null)
                throw new ExtractorOptionException("--svn", "'--git' and '--svn' exclude each other.");
            if (_state.Extraction is { Kinds: ObjectKinds.None, Roles: false })
                throw new ExtractorOptionException("--getall", "No extraction options set.", "Add --getall or another --get option.");
            if (_state is { RemovePasswords: true, Extraction.Roles: false })
                throw new ExtractorOptionException("--remove_passwords", "'--remove_passwords' needs '--getroles' or '--getall'.");
            if (_state.InsertFormat is not null && !_state.Data)
                throw new ExtractorOptionException("--inserts", "'--inserts' and '--column_inserts' need '--getdata'.");
            if (_state.Data)
                _state.Extraction.Data = new DataOptions { Format = _state.InsertFormat ?? DataFormat.Copy };
            if (_state.KeepDump)
                _state.Extraction.KeepArchive = Path.Combine(_state.Directory, "dump", "pg_extractor_dump.pgr");
            return new ExtractorArguments
            {
                ConnectionString = _state.Connection.Count == 0 ? null : _state.Connection.ConnectionString,
                Directory = _state.Directory,
                Extractor = _state.Extractor,
                Extraction = _state.Extraction,
                Git = _state.Git,
                Svn = _state.Svn,
                CommitMessage = _state.Message,
                Quiet = _state.Quiet,
                Debug = _state.Debug,
                WithoutEffect = _state.Needless,
            };
        }

        private void ReadOne(string argument)
        {
            var equals = argument.StartsWith("--", StringComparison.Ordinal) ? argument.IndexOf('=', StringComparison.Ordinal) : -1;
            var name = equals < 0 ? argument : argument[..equals];
            name = Table.Aliases.GetValueOrDefault(name, name);
            // argparse takes the value of a short option from the same word: -p5432. Two letters (-nf) are options of their own.
            var attached = equals < 0 && argument.Length > 2 && argument[1] != '-' && name == argument && !Table.Flags.ContainsKey(name)
                ? Table.Aliases.GetValueOrDefault(argument[..2])
                : null;
            if (attached is not null && Table.Values.TryGetValue(attached, out var setAttached))
                setAttached(_state, argument[2..]);
            else if (equals < 0 && Table.Flags.TryGetValue(name, out var flag))
                flag(_state);
            else if (Table.Values.TryGetValue(name, out var set))
                set(_state, equals >= 0 ? argument[(equals + 1)..] : ValueOf(argument));
            else
                throw new ExtractorOptionException(argument, $"The option '{argument}' is not known.");
        }

        private string ValueOf(string argument) => _rest.TryDequeue(out var value)
            ? value
            : throw new ExtractorOptionException(argument, $"The option '{argument}' needs a value.");

        /// <summary>Puts the lines of <c>@file</c> arguments in their place, files within files too.</summary>
        private static class ArgumentFile
        {
            private const int MaximumDepth = 10;

            public static IEnumerable<string> Expand(IEnumerable<string> arguments, int depth = 0)
            {
                foreach (var argument in arguments)
                {
                    if (argument.Length < 2 || argument[0] != '@')
                    {
                        yield return argument;
                        continue;
                    }
                    if (depth == MaximumDepth)
                        throw new ExtractorOptionException(argument, $"Argument files are nested deeper than '{MaximumDepth}' at '{argument}'.");
                    foreach (var inner in Expand(Read(argument), depth + 1))
                        yield return inner;
                }
            }

            private static IEnumerable<string> Read(string argument)
            {
                try
                {
                    return [.. File.ReadAllLines(argument[1..]).Where(static line => line.Length > 0)];
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException)
                {
                    throw new ExtractorOptionException(argument, $"The argument file '{argument[1..]}' cannot be read: {error.Message}", innerException: error);
                }
            }
        }
    }
}
