using Npgsql;

namespace OmniPg.Shared;

/// <summary>How messages name a server.</summary>
internal static class ServerText
{
    /// <summary>Host, port and database of a connection string, as <c>db1:5432/shop</c>; holds no secret.</summary>
    public static string Of(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        // The server takes the name of the role where no database is named.
        return string.Create(null, $"{settings.Host}:{settings.Port}/{settings.Database ?? settings.Username}");
    }
}
