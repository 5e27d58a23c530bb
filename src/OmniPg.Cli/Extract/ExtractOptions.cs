using System.CommandLine;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary>Options of <c>omnipg extract</c> and what they set.</summary>
internal static class ExtractOptions
{
    public static readonly Option<bool> Git = new("--git") { Description = "Commit the managed files with git" };
    public static readonly Option<bool> GitPush = new("--git-push") { Description = "Push after the commit" };
    public static readonly Option<bool> Svn = new("--svn") { Description = "Commit the managed files with Subversion" };
    public static readonly Option<string?> Message = new("-m", "--message") { Description = "Commit message; {0:yyyy-MM-dd} is the date", HelpName = "MSG" };

    private static readonly Option<string?> HostDirectory = Optional("--host-dir", "A folder level named after the host");
    private static readonly Option<string?> DatabaseDirectory = Optional("--database-dir", "A folder level named after the database");
    private static readonly Option<bool> SchemaDirectories = Flag("--schema-dir", "A folder per schema above those per kind");
    private static readonly Option<LayoutPreset> Preset = new("--layout") { Description = "PerKind, Ssdt, PerSchema, PerObjectType or Flat" };
    private static readonly Option<string[]> Kinds = Many("--kind", "Kinds to write, for example Tables; default all");
    private static readonly Option<string[]> ExcludeKinds = Many("--exclude-kind", "Kinds to leave out, for example Database");
    private static readonly Option<string[]> IncludeSchema = Many("--include-schema", "Schemas by psql pattern");
    private static readonly Option<string[]> ExcludeSchema = Many("--exclude-schema", "Schemas to leave out");
    private static readonly Option<string[]> IncludeTable = Many("--include-table", "Tables by regular expression on schema.name");
    private static readonly Option<string[]> ExcludeTable = Many("--exclude-table", "Tables to leave out");
    private static readonly Option<string[]> IncludeOwner = Many("--include-owner", "Objects of these owners");
    private static readonly Option<string[]> ExcludeOwner = Many("--exclude-owner", "Objects of other owners");
    private static readonly Option<string[]> FilterFile = Many("--filter", "Filter file in the syntax of pg_dump 17");
    private static readonly Option<bool> Data = Flag("--data", "Rows and sequence values, too");
    private static readonly Option<string[]> ReferenceData = Many("--reference-data", "Rows of these tables (schema.table by psql pattern), sorted by primary key");
    private static readonly Option<bool> Inserts = Flag("--inserts", "Rows as INSERT instead of COPY");
    private static readonly Option<bool> ColumnInserts = Flag("--column-inserts", "Rows as INSERT with column names, with --data");
    private static readonly Option<int?> RowsPerInsert = new("--rows-per-insert") { Description = "Rows in one INSERT", HelpName = "N" };
    private static readonly Option<bool> OnConflictDoNothing = Flag("--on-conflict-do-nothing", "INSERT skips rows that exist");
    private static readonly Option<bool> LargeObjects = Flag("--large-objects", "Large objects, with --data");
    private static readonly Option<bool> Roles = Flag("--roles", "Roles and memberships, without passwords");
    private static readonly Option<bool> RoleFiles = Flag("--role-files", "Roles, each in a file of its own");
    private static readonly Option<bool> RolePasswords = Flag("--include-role-passwords", "Roles with their password hashes; needs a superuser");
    private static readonly Option<long?> Throttle = new("--throttle") { Description = "Bytes a second to take from pg_dump", HelpName = "BYTES" };
    private static readonly Option<bool> Clean = Flag("--clean", "DROP statements at the top of each file");
    private static readonly Option<bool> OrReplace = Flag("--or-replace", "CREATE OR REPLACE where the server knows it");
    private static readonly Option<bool> NoOwner = Flag("--no-owner", "Leave owners out");
    private static readonly Option<bool> NoAcl = Flag("--no-acl", "Leave grants out");
    private static readonly Option<bool> Secrets = Flag("--include-secrets", "Passwords of user mappings and subscriptions in clear text");
    private static readonly Option<bool> DeleteStale = Flag("--delete-stale", "Delete files whose objects are gone");
    private static readonly Option<bool> Overwrite = Flag("--overwrite-unmanaged", "Replace foreign files that are in the way");
    private static readonly Option<bool> Strict = Flag("--strict-names", "A filter that matches nothing is an error");
    private static readonly Option<string?> Keep = new("--keep-archive") { Description = "Keep the dump in this file", HelpName = "FILE" };
    private static readonly Option<string?> Encoding = new("--encoding") { Description = "Encoding of the dump; SQL_ASCII for databases that do not know theirs", HelpName = "NAME" };
    private static readonly Option<bool> RequireComplete = Flag("--require-complete", "Missing rights that hide something are an error");

    public static IReadOnlyList<Symbol> All { get; } =
    [
        HostDirectory, DatabaseDirectory, SchemaDirectories, Preset, Kinds, IncludeSchema, ExcludeSchema, IncludeTable, ExcludeTable, IncludeOwner,
        ExcludeOwner, FilterFile, Data, ReferenceData, Inserts, ColumnInserts, RowsPerInsert, OnConflictDoNothing, LargeObjects, Roles, RoleFiles,
        RolePasswords, Throttle, Clean, OrReplace, NoOwner, NoAcl, Secrets, DeleteStale, Overwrite, Strict, Keep,
        Encoding, RequireComplete, ExcludeKinds, .. ExtractorSettings.All, Git, GitPush, Svn, Message,
    ];

    public static void Apply(CliSession session, ExtractionOptions options)
    {
        if (session.Get(Git) && session.Get(Svn))
            throw new UsageException("--git and --svn exclude each other.");
        options.Layout.HostDirectory = session.Get(HostDirectory) ?? "";
        options.Layout.DatabaseDirectory = session.Get(DatabaseDirectory) ?? "";
        options.Layout.SchemaDirectories = session.Get(SchemaDirectories);
        options.Layout.Preset = session.Get(Preset);
        options.RoleFiles = session.Get(RoleFiles);
        options.IncludeRolePasswords = session.Get(RolePasswords);
        options.Roles = session.Get(Roles) || options.RoleFiles || options.IncludeRolePasswords;
        options.MaxBytesPerSecond = session.Get(Throttle);
        options.Clean = options.CleanIfExists = session.Get(Clean);
        options.OrReplace = session.Get(OrReplace);
        options.NoOwner = session.Get(NoOwner);
        options.NoPrivileges = session.Get(NoAcl);
        options.IncludeSecrets = session.Get(Secrets);
        options.StaleFiles = session.Get(DeleteStale) ? StaleFiles.Delete : StaleFiles.Keep;
        options.OverwriteUnmanaged = session.Get(Overwrite);
        options.StrictNames = session.Get(Strict);
        options.Encoding = session.Get(Encoding);
        options.RequireComplete = session.Get(RequireComplete);
        options.KeepArchive = session.Get(Keep);
        ApplyData(session, options);
        options.ReferenceTables = session.Get(ReferenceData) ?? [];
        ApplyKinds(session, options);
        ApplyFilter(session, options.Filter);
    }

    private static void ApplyData(CliSession session, ExtractionOptions options)
    {
        if (session.Get(Data))
            options.Data = new DataOptions
            {
                Format = session.Get(ColumnInserts) ? DataFormat.ColumnInserts : session.Get(Inserts) ? DataFormat.Inserts : DataFormat.Copy,
                RowsPerInsert = session.Get(RowsPerInsert),
                OnConflictDoNothing = session.Get(OnConflictDoNothing),
                IncludeLargeObjects = session.Get(LargeObjects),
            };
        else if (session.Get(ColumnInserts) || session.Get(Inserts) || session.Get(RowsPerInsert) is not null || session.Get(OnConflictDoNothing) || session.Get(LargeObjects))
            throw new UsageException("--inserts, --column-inserts, --rows-per-insert, --on-conflict-do-nothing and --large-objects need --data.");
    }

    private static void ApplyKinds(CliSession session, ExtractionOptions options)
    {
        if (session.Get(Kinds) is { Length: > 0 } names)
            options.Kinds = names.Aggregate(ObjectKinds.None, static (kinds, name) => kinds | ExtractorSettings.Kind(name));
        options.Kinds = ExtractorSettings.Without(options.Kinds, session.Get(ExcludeKinds));
    }

    private static void ApplyFilter(CliSession session, ExtractionFilter filter)
    {
        filter.Schemas.Include(session.Get(IncludeSchema) ?? []).Exclude(session.Get(ExcludeSchema) ?? []);
        filter.Owners.Include(session.Get(IncludeOwner) ?? []).Exclude(session.Get(ExcludeOwner) ?? []);
        foreach (var expression in session.Get(IncludeTable) ?? [])
            filter.Tables.IncludeRegex(expression);
        foreach (var expression in session.Get(ExcludeTable) ?? [])
            filter.Tables.ExcludeRegex(expression);
        foreach (var file in session.Get(FilterFile) ?? [])
            filter.AddFilterFile(file);
    }

    private static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    private static Option<string[]> Many(string name, string description) => new(name) { Description = description, HelpName = "P" };

    private static Option<string?> Optional(string name, string description) => new(name) { Description = description, HelpName = "NAME" };
}
