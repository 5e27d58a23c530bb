using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What it means for the log whether the side schema can be worked with.</summary>
internal static class SideSchema
{
    /// <summary>Why the log in a schema works without it, as the end of a sentence, and what helps; null when it works with it.</summary>
    public static (string Reason, string NextStep)? Trouble(this SchemaFind found, PgIdentifier schema) => found switch
    {
        { Exists: false } => ("is missing", "Admin.InstallAsync() adds it."),
        { Version: null } => ("is not readable for this role", "The text of Admin.GrantScriptAsync() gives the rights."),
        // A side schema that describes another log than the one found must not be joined with it.
        _ when found.BelongsTo != schema.Value => ($"belongs to the log in schema '{found.BelongsTo}'", "Name another JobmonOptions.SideSchema for this log."),
        { IsOlder: true } => ($"has version {found.Version}, older than {found.Current} of this package", "Admin.InstallAsync() upgrades it."),
        { IsNewer: true } => ($"has version {found.Version}, newer than {found.Current} of this package", "Use the package version that installed it, or a later one."),
        _ => null,
    };

    /// <summary>Returns when it can be worked with.</summary>
    /// <exception cref="JobmonNotInstalledException">It is missing.</exception>
    /// <exception cref="JobmonUnsupportedVersionException">It is of another version.</exception>
    /// <exception cref="PostgresException">This role may not read it.</exception>
    public static async Task RequireAsync(PgSession session, JobmonServer server)
    {
        if (server.HasSide)
            return;
        if (server.FoundSide.IsOlder || server.FoundSide.IsNewer)
            throw server.OtherSideVersion();
        try
        {
            // A side schema that this role may not read looks like none; the server's refusal tells which right is missing.
            await session.ExecuteAsync(server.Render("SELECT FROM @side@.schema_version")).ConfigureAwait(false);
        }
        catch (PostgresException absent) when (absent.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw new JobmonNotInstalledException(server.Database, server.SideSchema.Value, absent);
        }

        throw new JobmonNotInstalledException(server.Database, server.SideSchema.Value);
    }
}
