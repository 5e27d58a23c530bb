using System.Globalization;
using Npgsql;

namespace OmniPg.Extractor;

public sealed partial record ExtractorArguments
{
    /// <summary>The options of the original: their names, and what they set here.</summary>
    private static class Table
    {
        /// <summary>Options without value.</summary>
        public static Dictionary<string, Action<State>> Flags { get; } = new Dictionary<string, Action<State>>(StringComparer.Ordinal)
        {
            ["--getall"] = static s =>
            {
                s.Add(ObjectKinds.OriginalAll);
                s.Extraction.Roles = true;
            },
            ["--getschemata"] = static s => s.Add(ObjectKinds.Schemas),
            ["--gettables"] = static s => s.Add(ObjectKinds.Tables),
            ["--getviews"] = static s => s.Add(ObjectKinds.Views),
            ["--getfuncs"] = static s => s.Add(ObjectKinds.Routines),
            ["--gettypes"] = static s => s.Add(ObjectKinds.Types),
            ["--getextensions"] = static s => s.Add(ObjectKinds.Extensions),
            ["--getservers"] = static s => s.Add(ObjectKinds.Servers),
            ["--getusermappings"] = static s => s.Add(ObjectKinds.UserMappings),
            ["--getdefaultprivs"] = static s => s.Add(ObjectKinds.DefaultPrivileges),
            ["--getsequences"] = static s =>
            {
                s.Add(ObjectKinds.Sequences);
                s.Extraction.Copies |= FileCopies.OwnedSequences;
            },
            ["--gettriggers"] = static s => s.Extraction.Copies |= FileCopies.Triggers,
            ["--getrules"] = static s => s.Extraction.Copies |= FileCopies.Rules,
            ["--getroles"] = static s => s.Extraction.Roles = true,
            ["--getdata"] = static s => s.Data = true,
            ["--remove_passwords"] = static s => s.RemovePasswords = true,
            ["--nodbnamedir"] = static s => s.Extraction.Layout.DatabaseDirectory = "",
            ["--schemadir"] = static s => s.Extraction.Layout.SchemaDirectories = true,
            ["--inserts"] = static s => s.InsertFormat = DataFormat.Inserts,
            ["--column_inserts"] = static s => s.InsertFormat = DataFormat.ColumnInserts,
            ["--no_owner"] = static s => s.Extraction.NoOwner = true,
            ["--no_acl"] = static s => s.Extraction.NoPrivileges = true,
            ["--clean"] = static s => s.Extraction.Clean = true,
            ["--orreplace"] = static s => s.Extraction.OrReplace = true,
            ["--delete"] = static s => s.Extraction.StaleFiles = StaleFiles.DeleteAllSql,
            ["--git"] = static s => s.Git ??= new GitOptions(),
            ["--gitpush"] = static s => (s.Git ??= new GitOptions()).Push = true,
            ["--gitdel"] = static s => s.Extraction.StaleFiles = StaleFiles.Delete,
            ["--svn"] = static s => s.Svn ??= new SvnOptions(),
            ["--svndel"] = static s => s.Extraction.StaleFiles = StaleFiles.Delete,
            ["--keep_dump"] = static s => s.KeepDump = true,
            ["--quiet"] = static s => s.Quiet = true,
            ["--debug"] = static s => s.Debug = true,
            ["--Fc"] = static _ => throw new ExtractorOptionException("-Fc", "'-Fc' asks for an archive per table, which is not made.",
                "Use --keep_dump for one archive of everything, or leave it out for SQL text."),
            ["--version"] = static _ => throw AsksForText("--version"),
            ["--examples"] = static _ => throw AsksForText("--examples"),
            ["--help"] = static _ => throw AsksForText("--help"),
        };

        /// <summary>Options with a value.</summary>
        public static Dictionary<string, Action<State, string>> Values { get; } = new Dictionary<string, Action<State, string>>(StringComparer.Ordinal)
        {
            ["--host"] = static (s, v) => s.Connection.Host = v,
            ["--port"] = static (s, v) => s.Connection.Port = Number("--port", v),
            ["--username"] = static (s, v) => s.Connection.Username = v,
            ["--dbname"] = static (s, v) => s.Connection.Database = v,
            ["--service"] = static (s, v) => s.Extractor.Service = v,
            ["--pgpass"] = static (s, v) => s.Extractor.PassFile = v,
            ["--encoding"] = static (s, v) => s.Extractor.Encoding = v,
            ["--pgbin"] = static (s, v) => s.Extractor.Tools.BinDirectory = v,
            ["--pgdump"] = static (s, v) => s.Extractor.Tools.PgDumpPath = v,
            ["--pgdumpall"] = static (s, v) => s.Extractor.Tools.PgDumpAllPath = v,
            ["--basedir"] = static (s, v) => s.Directory = v,
            ["--hostnamedir"] = static (s, v) => s.Extraction.Layout.HostDirectory = v,
            ["--dbnamedir"] = static (s, v) => s.Extraction.Layout.DatabaseDirectory = v,
            ["--temp"] = static (s, _) => s.Needless.Add("--temp"),
            ["--wait"] = static (s, v) => s.AddWait(v),
            // Its default, 0, means one after the other.
            ["--jobs"] = static (s, v) => s.Extraction.MaxDegreeOfParallelism = Math.Max(1, Number("--jobs", v)),
            ["--schema_include"] = static (s, v) => s.Extraction.Filter.Schemas.Include(Csv(v)),
            ["--schema_include_file"] = static (s, v) => s.Extraction.Filter.Schemas.IncludeFile(v),
            ["--schema_exclude"] = static (s, v) => s.Extraction.Filter.Schemas.Exclude(Csv(v)),
            ["--schema_exclude_file"] = static (s, v) => s.Extraction.Filter.Schemas.ExcludeFile(v),
            ["--table_include"] = static (s, v) => s.Extraction.Filter.Tables.Include(Csv(v)),
            ["--table_include_file"] = static (s, v) => s.Extraction.Filter.Tables.IncludeFile(v),
            ["--table_exclude"] = static (s, v) => s.Extraction.Filter.Tables.Exclude(Csv(v)),
            ["--table_exclude_file"] = static (s, v) => s.Extraction.Filter.Tables.ExcludeFile(v),
            ["--view_include"] = static (s, v) => s.Extraction.Filter.Views.Include(Csv(v)),
            ["--view_include_file"] = static (s, v) => s.Extraction.Filter.Views.IncludeFile(v),
            ["--view_exclude"] = static (s, v) => s.Extraction.Filter.Views.Exclude(Csv(v)),
            ["--view_exclude_file"] = static (s, v) => s.Extraction.Filter.Views.ExcludeFile(v),
            ["--function_include_file"] = static (s, v) => s.Extraction.Filter.Routines.IncludeFile(v),
            ["--function_exclude_file"] = static (s, v) => s.Extraction.Filter.Routines.ExcludeFile(v),
            ["--owner_include"] = static (s, v) => s.Extraction.Filter.Owners.Include(Csv(v)),
            ["--owner_include_file"] = static (s, v) => s.Extraction.Filter.Owners.IncludeFile(v),
            ["--owner_exclude"] = static (s, v) => s.Extraction.Filter.Owners.Exclude(Csv(v)),
            ["--owner_exclude_file"] = static (s, v) => s.Extraction.Filter.Owners.ExcludeFile(v),
            ["--regex_include_file"] = static (s, v) => Expressions(v, e => s.Extraction.Filter.Names.IncludeRegex(e)),
            ["--regex_exclude_file"] = static (s, v) => Expressions(v, e => s.Extraction.Filter.Names.ExcludeRegex(e)),
            ["--gitcmd"] = static (s, v) => (s.Git ??= new GitOptions()).Program = v,
            ["--svncmd"] = static (s, v) => (s.Svn ??= new SvnOptions()).Program = v,
            ["--commitmsg"] = static (s, v) => s.Message = v.Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal),
            ["--commitmsgfn"] = static (s, v) => s.Message = string.Join('\n', NameFilter.ReadItems(v, "--commitmsgfn"))
                .Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal),
        };

        /// <summary>Short and other spellings.</summary>
        public static IReadOnlyDictionary<string, string> Aliases { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["-p"] = "--port", ["-U"] = "--username", ["-d"] = "--dbname", ["-j"] = "--jobs",
            ["-w"] = "--wait", ["-q"] = "--quiet", ["-Fc"] = "--Fc", ["-h"] = "--help",
            ["-n"] = "--schema_include", ["-nf"] = "--schema_include_file", ["-N"] = "--schema_exclude", ["-Nf"] = "--schema_exclude_file",
            ["-t"] = "--table_include", ["-tf"] = "--table_include_file", ["-T"] = "--table_exclude", ["-Tf"] = "--table_exclude_file",
            ["-v"] = "--view_include", ["-vf"] = "--view_include_file", ["-V"] = "--view_exclude", ["-Vf"] = "--view_exclude_file",
            ["-pf"] = "--function_include_file", ["-Pf"] = "--function_exclude_file",
            ["-o"] = "--owner_include", ["-of"] = "--owner_include_file", ["-O"] = "--owner_exclude", ["-Of"] = "--owner_exclude_file",
            ["-rf"] = "--regex_include_file", ["-Rf"] = "--regex_exclude_file",
            ["-x"] = "--no_acl", ["--no_privileges"] = "--no_acl", ["--attribute_inserts"] = "--column_inserts", ["--schemasubdir"] = "--schemadir",
        };

        private static ExtractorOptionException AsksForText(string option) =>
            new(option, $"'{option}' asks for a text of the program, not for an extraction.", "Handle it before the arguments are read.");

        private static string[] Csv(string value) => value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

        private static int Number(string option, string value) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new ExtractorOptionException(option, $"'{option}' is '{value}', which is no number.");

        private static void Expressions(string path, Func<string, NameFilter> add)
        {
            foreach (var expression in NameFilter.ReadItems(path, "expression"))
                add(expression);
        }
    }

    /// <summary>What has been read so far.</summary>
    private sealed class State
    {
        public NpgsqlConnectionStringBuilder Connection { get; } = [];

        public ExtractorOptions Extractor { get; } = new();

        public ExtractionOptions Extraction { get; } = new() { Kinds = ObjectKinds.None };

        public string Directory { get; set; } = ".";

        public GitOptions? Git { get; set; }

        public SvnOptions? Svn { get; set; }

        public string Message { get; set; } = "Pg ddl updates";

        public DataFormat? InsertFormat { get; set; }

        public bool Data { get; set; }

        public bool KeepDump { get; set; }

        public bool RemovePasswords { get; set; }

        public bool Quiet { get; set; }

        public bool Debug { get; set; }

        /// <summary>Options that were given and have nothing to do here.</summary>
        public List<string> Needless { get; } = [];

        /// <summary>A pause between objects has no counterpart when all come from one dump; a rate for the dump is asked for in bytes.</summary>
        public void AddWait(string value)
        {
            if (!double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) || seconds < 0)
                throw new ExtractorOptionException("--wait", $"'--wait' is '{value}', which is no number of seconds.");
            if (seconds > 0)
                Needless.Add("--wait");
        }

        public void Add(ObjectKinds kinds) => Extraction.Kinds |= kinds;
    }
}
