using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>First and last lines of a script, and the session settings (_doSetFixedOutputState in pg_backup_archiver.c).</summary>
internal static class ScriptPrologue
{
    /// <summary>First major that refuses <c>standard_conforming_strings = off</c>.</summary>
    public const int KnowsOnlyOn = 19;

    public static void AppendTitle(StringBuilder sql, ArchiveHeader header) => sql
        .Append("--\n-- PostgreSQL database dump\n--\n\n")
        .Append("-- Dumped from database version ").Append(header.ServerVersion).Append('\n')
        .Append("-- Dumped by pg_dump version ").Append(header.DumpVersion).Append("\n\n");

    public static void AppendSettings(StringBuilder sql, ArchiveHeader header, ArchiveSession session, int? targetMajor)
    {
        var isOn = session.StandardConformingStrings || targetMajor >= KnowsOnlyOn;
        sql.Append("SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n");
        if (DumpMajor.Of(header.DumpVersion) >= 17)
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
}
