using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Demands the side schema where there is no work without it.</summary>
internal static class SideSchema
{
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
