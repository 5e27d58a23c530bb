namespace OmniPg.Extractor.Extraction;

/// <summary>Refuses options that contradict each other, before anything is started.</summary>
internal static class OptionCheck
{
    public static void Run(ExtractionOptions options)
    {
        Require((options.Kinds & ObjectKinds.All) != ObjectKinds.None || options.Roles, "Kinds", "No kinds of objects are set, so there is nothing to extract.");
        Require(options.MaxDegreeOfParallelism >= 1, "MaxDegreeOfParallelism",
            $"MaxDegreeOfParallelism is '{options.MaxDegreeOfParallelism}', it must be at least '1'.");
        Require(!options.CleanIfExists || options.Clean, "CleanIfExists", "CleanIfExists needs Clean.");
        Require(!options.PsqlDriver || !options.Clean, "PsqlDriver", "PsqlDriver and Clean exclude each other: the script builds an empty database.");
        Require(!options.IncludeRolePasswords || options.Roles, "IncludeRolePasswords", "IncludeRolePasswords needs Roles.");
        Require(!options.RoleFiles || options.Roles, "RoleFiles", "RoleFiles needs Roles.");
        Require(options.Filter.Tables.IsEmpty || options.Kinds.HasFlag(ObjectKinds.Tables), "Filter.Tables", NotExtracted("tables"));
        Require(options.Filter.Views.IsEmpty || options.Kinds.HasFlag(ObjectKinds.Views), "Filter.Views", NotExtracted("views"));
        Require(options.Filter.Routines.IsEmpty || options.Kinds.HasFlag(ObjectKinds.Routines), "Filter.Routines", NotExtracted("routines"));
        Require(options.Filter.Extensions.IsEmpty || options.Kinds.HasFlag(ObjectKinds.Extensions), "Filter.Extensions", NotExtracted("extensions"));
        Require(options.Filter.TableData.IsEmpty || options.Data is not null, "Filter.TableData", NotExtracted("rows"));
        Require(options.Filter.ForeignData.IsEmpty || options.Data is not null, "Filter.ForeignData", NotExtracted("rows"));
        Require(options.Filter.ForeignData.HasOnlyPlainInclusions, "Filter.ForeignData", "Servers for ForeignData can be included by pattern only, as pg_dump takes them.");
        Require(options.MaxBytesPerSecond is null or >= 1, "MaxBytesPerSecond", $"MaxBytesPerSecond is '{options.MaxBytesPerSecond}', it must be at least '1'.");
        Require(options.Copies == FileCopies.None || options.Kinds.HasFlag(ObjectKinds.Tables), "Copies", "Copies of triggers, rules and sequences need the kind Tables.");
        Require(options.ReferenceTables.Count == 0 || options.Data is null, "ReferenceTables", "Data writes the rows of all tables, ReferenceTables those of some; set one of them.");
        Require(options.ReferenceTables.Count == 0 || options.Kinds.HasFlag(ObjectKinds.Tables), "ReferenceTables", "ReferenceTables needs the kind Tables.");
        Require(options.Data is not { RowsPerInsert: < 1 }, "RowsPerInsert", $"RowsPerInsert is '{options.Data?.RowsPerInsert}', it must be at least '1'.");
        Require(options.Data is null or { Format: not DataFormat.Copy } or { RowsPerInsert: null, OnConflictDoNothing: false }, "Data",
            "RowsPerInsert and OnConflictDoNothing need rows as INSERT statements.");
    }

    private static string NotExtracted(string kind) => $"There is a filter on {kind}, but {kind} are not extracted.";

    private static void Require(bool condition, string option, string message)
    {
        if (!condition)
            throw new ExtractorOptionException(option, message);
    }
}
