using System.Text;

namespace OmniPg.Extractor;

/// <summary>First and last lines of a script, and the session settings (_doSetFixedOutputState in pg_backup_archiver.c).</summary>
internal static class ScriptPrologue
{
    /// <summary>First major that refuses <c>standard_conforming_strings = off</c>.</summary>
    public const int KnowsOnlyOn = 19;

    /// <summary>Each entry of a tree expects these; one that needs others sets them and leaves them set.</summary>
    public const string TreeDefaults = "SET default_tablespace = '';\nSET default_table_access_method = heap;\n\n";

    private const string TreeCommon = "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n"
        + "SET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n"
        + "SET check_function_bodies = false;\nSET xmloption = content;\nSET client_min_messages = warning;\nSET row_security = off;\n" + TreeDefaults;

    public static void AppendTitle(StringBuilder sql, ArchiveHeader header) => sql
        .Append("--\n-- PostgreSQL database dump\n--\n\n")
        .Append("-- Dumped from database version ").Append(header.ServerVersion).Append('\n')
        .Append("-- Dumped by pg_dump version ").Append(header.DumpVersion).Append("\n\n");

    public static void AppendSettings(StringBuilder sql, ArchiveHeader header, ArchiveSession session, int? targetMajor)
    {
        var isOn = session.StandardConformingStrings || targetMajor >= KnowsOnlyOn;
        sql.Append("SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n");
        if ((VersionText.Major(header.DumpVersion) ?? int.MaxValue) >= 17)
            sql.Append("SET transaction_timeout = 0;\n");
        sql.Append("SET client_encoding = '").Append(session.EncodingName).Append("';\n");
        sql.Append("SET standard_conforming_strings = ").Append(isOn ? "on" : "off").Append(";\n");
        sql.Append(session.SearchPathStatement);
        sql.Append("SET check_function_bodies = false;\nSET xmloption = content;\nSET client_min_messages = warning;\n");
        if (!isOn)
            sql.Append("SET escape_string_warning = off;\n");
        sql.Append("SET row_security = off;\n\n");
    }

    public static void AppendEnd(StringBuilder sql) => sql.Append("--\n-- PostgreSQL database dump complete\n--\n\n");

    /// <summary>The session in which psql runs a tree's entries: that of pg_dump's own scripts.</summary>
    public static string TreeSettings(string clientEncoding = "UTF8") => $"SET client_encoding = '{clientEncoding}';\n" + TreeCommon;
}
